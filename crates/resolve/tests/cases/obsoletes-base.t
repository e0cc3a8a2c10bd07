# What obsoletes a package of the base cannot be added to it.
repo system 0 testtags <inline>
#>=Pkg: old 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: new 1 1 noarch
#>=Obs: old
system x86_64 rpm system
job install name new
result transaction,problems <inline>
#>problem info package new-1-1.noarch obsoletes old provided by old-1-1.noarch
