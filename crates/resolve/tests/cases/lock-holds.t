# The lock decides the version.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: b
#>=Pkg: b 1 1 noarch
#>=Pkg: b 2 1 noarch
system x86_64 rpm system
job install name a
job only pkg b-1-1.noarch
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
