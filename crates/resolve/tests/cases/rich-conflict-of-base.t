# A rich conflict of the base holds for what is added.
repo system 0 testtags <inline>
#>=Pkg: desktop 1 1 noarch
#>=Con: (x and y)
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Req: z
#>=Pkg: x 1 1 noarch
#>=Pkg: y 1 1 noarch
#>=Prv: z
#>=Pkg: zz 1 1 noarch
#>=Prv: z
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install x-1-1.noarch@available
#>install zz-1-1.noarch@available
