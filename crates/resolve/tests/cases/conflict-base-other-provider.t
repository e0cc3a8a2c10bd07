# A provider that conflicts with the base is passed over.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: c 1 1 noarch
#>=Prv: x
#>=Con: b
#>=Pkg: d 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install d-1-1.noarch@available
