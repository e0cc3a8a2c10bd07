# Of providers with something in common the one with the newer version of it is taken.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: java
#>=Pkg: java-11 1 1 noarch
#>=Prv: java = 11
#>=Pkg: java-17 1 1 noarch
#>=Prv: java = 17
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install java-17-1-1.noarch@available
