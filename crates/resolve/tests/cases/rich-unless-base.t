# The second part is in the base, so it cannot be.
repo system 0 testtags <inline>
#>=Pkg: c 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (b unless c)
#>=Pkg: b 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.noarch requires (b unless c), which can't be met
