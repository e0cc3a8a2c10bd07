# A recommendation that the base satisfies adds nothing.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Prv: x
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: x
#>=Pkg: c 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
