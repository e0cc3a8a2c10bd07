# A disabled or locked package is not there.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: c 1 1 noarch
#>=Prv: x
#>=Pkg: d 1 1 noarch
#>=Prv: x
system x86_64 rpm system
disable pkg b-1-1.noarch@available
job install name a
job lock name c
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install d-1-1.noarch@available
