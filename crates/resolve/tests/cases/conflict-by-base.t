# What the base conflicts with cannot be added.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Con: x < 2
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Prv: x = 1
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package b-1-1.noarch conflicts with x < 2 provided by a-1-1.noarch
