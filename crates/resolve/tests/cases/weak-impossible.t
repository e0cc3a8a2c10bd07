# A recommendation that cannot be met is no problem, and the others are met.
repo system 0 testtags <inline>
#>=Pkg: z 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: b
#>=Rec: c
#>=Rec: nowhere
#>=Rec: d
#>=Pkg: b 1 1 noarch
#>=Req: nowhere
#>=Pkg: c 1 1 noarch
#>=Pkg: d 1 1 noarch
#>=Con: z
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
