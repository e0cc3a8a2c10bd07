# Half of a condition is none.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (b if (c and d))
#>=Req: c
#>=Pkg: b 1 1 noarch
#>=Pkg: c 1 1 noarch
#>=Pkg: d 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
