# Recommendations are met one after the other, and an earlier one may exclude a later one.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: c
#>=Rec: b
#>=Pkg: b 1 1 noarch
#>=Con: c
#>=Pkg: c 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
