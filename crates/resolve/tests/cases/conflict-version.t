# A conflict with other versions is none.
repo system 0 testtags <inline>
#>=Pkg: b 3 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Con: b < 3
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
