# A file of the very version that the base has is nothing to add.
repo system 0 testtags <inline>
#>=Pkg: a 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
system x86_64 rpm system
job install pkg a-1-1.noarch@available
result transaction,problems <inline>
#>already a-1-1.noarch@available
