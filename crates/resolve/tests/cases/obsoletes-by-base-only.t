# The words for what the base obsoletes.
repo system 0 testtags <inline>
#>=Pkg: new 1 1 noarch
#>=Obs: old
repo available 0 testtags <inline>
#>=Pkg: old 1 1 noarch
system x86_64 rpm system
job install name old
result transaction,problems <inline>
#>problem info installed package new-1-1.noarch obsoletes old provided by old-1-1.noarch
