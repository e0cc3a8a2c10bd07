# Two versions of one name do not go together.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: c = 1
#>=Pkg: b 1 1 noarch
#>=Req: c = 2
#>=Pkg: c 1 1 noarch
#>=Pkg: c 2 1 noarch
system x86_64 rpm system
job install name a
job install name b
result transaction,problems <inline>
#>problem info cannot install both c-2-1.noarch and c-1-1.noarch
#>problem info package a-1-1.noarch requires c = 1, provided by c-1-1.noarch
#>problem info package b-1-1.noarch requires c = 2, provided by c-2-1.noarch
