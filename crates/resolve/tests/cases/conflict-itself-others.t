# A package that conflicts with what it provides excludes the others.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Prv: mta
#>=Con: mta
#>=Pkg: b 1 1 noarch
#>=Prv: mta
system x86_64 rpm system
job install name a
job install name b
result transaction,problems <inline>
#>problem info package a-1-1.noarch conflicts with mta provided by b-1-1.noarch
