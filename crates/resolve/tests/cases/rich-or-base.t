# A part that the base has is enough.
repo system 0 testtags <inline>
#>=Pkg: c 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (b or c)
#>=Pkg: b 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
