# What conflicts with the base cannot be added.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Con: b
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>problem info package a-1-1.noarch conflicts with b provided by b-1-1.noarch
