# A package that conflicts with what it provides excludes the others only.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Prv: mta
#>=Con: mta
#>=Pkg: b 1 1 noarch
#>=Prv: mta
#>=Con: mta
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
