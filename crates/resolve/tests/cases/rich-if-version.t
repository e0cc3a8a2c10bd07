# A condition on a version is not fulfilled by another version.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (b if c >= 2)
#>=Req: c < 2
#>=Pkg: b 1 1 noarch
#>=Pkg: c 1 1 noarch
#>=Pkg: c 2 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
