# A recommendation that another one meets brings nothing more.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: z
#>=Rec: x
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: z 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install z-1-1.noarch@available
