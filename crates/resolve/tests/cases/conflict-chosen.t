# Two requests that conflict.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Con: b
#>=Pkg: b 1 1 noarch
system x86_64 rpm system
job install name a
job install name b
result transaction,problems <inline>
#>problem info package a-1-1.noarch conflicts with b provided by b-1-1.noarch
