# A package may satisfy its own requirement.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Prv: x
#>=Req: x
#>=Req: a = 1
#>=Pkg: b 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
