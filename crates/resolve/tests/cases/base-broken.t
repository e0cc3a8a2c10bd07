# What a package of the base lacks itself is no matter.
repo system 0 testtags <inline>
#>=Pkg: z 1 1 noarch
#>=Req: nowhere
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: z
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
