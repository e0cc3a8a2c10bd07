# The best of a list.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Pkg: a 3 1 noarch
#>=Pkg: a 2 1 noarch
system x86_64 rpm system
job install oneof a-1-1.noarch@available a-2-1.noarch@available [setevr]
result transaction,problems <inline>
#>install a-2-1.noarch@available
