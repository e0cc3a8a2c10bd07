# A package and one that it obsoletes do not go together.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: new
#>=Pkg: b 1 1 noarch
#>=Req: old
#>=Pkg: new 1 1 noarch
#>=Obs: old < 5
#>=Pkg: old 1 1 noarch
system x86_64 rpm system
job install name a
job install name b
result transaction,problems <inline>
#>problem info package new-1-1.noarch obsoletes old < 5 provided by old-1-1.noarch
#>problem info package a-1-1.noarch requires new, provided by new-1-1.noarch
#>problem info package b-1-1.noarch requires old, provided by old-1-1.noarch
