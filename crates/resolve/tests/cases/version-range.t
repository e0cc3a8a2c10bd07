# Two ranges meet in the version between.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: c >= 2
#>=Req: c < 3
#>=Pkg: c 1 1 noarch
#>=Pkg: c 2 1 noarch
#>=Pkg: c 3 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-2-1.noarch@available
