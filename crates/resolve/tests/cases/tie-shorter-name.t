# The shorter name is preferred, then the first in order.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: lib-long 1 1 noarch
#>=Prv: x
#>=Pkg: lib-b 1 1 noarch
#>=Prv: x
#>=Pkg: lib-a 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install lib-a-1-1.noarch@available
