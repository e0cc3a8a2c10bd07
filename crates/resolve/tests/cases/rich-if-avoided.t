# A package that would fulfil a condition which cannot be met is passed over.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (nowhere if c)
#>=Req: x
#>=Pkg: c 1 1 noarch
#>=Prv: x
#>=Pkg: dd 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install dd-1-1.noarch@available
