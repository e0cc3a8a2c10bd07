# A provider of which a newer version exists comes last, even if that one can't be added.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: b 2 1 noarch
#>=Pkg: c 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
