# What a package of the base obsoletes cannot be added.
repo system 0 testtags <inline>
#>=Pkg: new 1 1 noarch
#>=Obs: old < 2
repo available 0 testtags <inline>
#>=Pkg: old 1 1 noarch
#>=Pkg: old 2 1 noarch
#>=Req: nowhere
system x86_64 rpm system
job install name old
result transaction,problems <inline>
#>problem info nothing provides nowhere needed by old-2-1.noarch
