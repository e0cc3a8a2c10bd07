# A provider that conflicts with another package to add is passed over.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Req: y
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Con: y
#>=Pkg: c 1 1 noarch
#>=Prv: x
#>=Pkg: d 1 1 noarch
#>=Prv: y
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
#>install d-1-1.noarch@available
