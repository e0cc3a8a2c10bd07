# The best version of each name comes before the second best of any.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Con: b = 2
#>=Pkg: b 2 1 noarch
#>=Prv: x
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: other 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install other-1-1.noarch@available
