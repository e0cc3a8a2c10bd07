# Without the condition the other part is required.
repo system 0 testtags <inline>
#>=Pkg: c 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (b if c else d)
#>=Req: (e if x else f)
#>=Pkg: b 1 1 noarch
#>=Pkg: d 1 1 noarch
#>=Pkg: e 1 1 noarch
#>=Pkg: f 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
#>install f-1-1.noarch@available
