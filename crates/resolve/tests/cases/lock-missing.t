# A package of the lock that is not on offer.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: b
#>=Pkg: b 2 1 noarch
system x86_64 rpm system
job install name a
job only pkg b-1-1.noarch
result transaction,problems <inline>
#>problem info package b-2-1.noarch is not in the lock
#>problem info package a-1-1.noarch requires b, but none of the providers can be installed
