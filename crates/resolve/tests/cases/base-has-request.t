# A request that the base satisfies needs nothing.
repo system 0 testtags <inline>
#>=Pkg: a 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 2 1 noarch
system x86_64 rpm system
job install name a
job install provides a >= 1
result transaction,problems <inline>
#>already a
#>already a >= 1
