# The chain down to the cause is told.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: b
#>=Pkg: b 1 1 noarch
#>=Req: c >= 2
#>=Pkg: c 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info nothing provides c >= 2 needed by b-1-1.noarch
#>problem info package a-1-1.noarch requires b, but none of the providers can be installed
