# Both together are in conflict.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Con: (b and c)
#>=Req: b
#>=Req: c
#>=Pkg: b 1 1 noarch
#>=Pkg: c 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.noarch conflicts with (b and c)
#>problem info package a-1-1.noarch requires b, provided by b-1-1.noarch
#>problem info package a-1-1.noarch requires c, provided by c-1-1.noarch
