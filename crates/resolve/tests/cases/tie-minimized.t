# A choice is made anew if another provider had to be added anyhow.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: z 1 1 noarch
#>=Req: x
#>=Pkg: p 1 1 noarch
#>=Prv: x
#>=Req: y
#>=Pkg: q 1 1 noarch
#>=Prv: x
#>=Prv: y
#>=Req: p
#>=Pkg: r 1 1 noarch
#>=Prv: y
system x86_64 rpm system
job install name z
result transaction,problems <inline>
#>install p-1-1.noarch@available
#>install q-1-1.noarch@available
#>install z-1-1.noarch@available
