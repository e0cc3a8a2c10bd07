# An epoch outweighs every version.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1:1 1 noarch
#>=Pkg: a 2 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1:1-1.noarch@available
