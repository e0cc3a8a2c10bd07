# The configuration of another package is a capability like others.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: config(b) = 1-1
#>=Pkg: b 1 1 noarch
#>=Prv: config(b) = 1-1
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
