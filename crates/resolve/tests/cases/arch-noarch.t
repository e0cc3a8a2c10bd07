# noarch and the own architecture are candidates, others are not.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 x86_64
#>=Req: b
#>=Pkg: b 1 1 noarch
#>=Pkg: a 2 1 aarch64
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.x86_64@available
#>install b-1-1.noarch@available
