# The newest version is added.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1.9 1 noarch
#>=Pkg: a 1.10 1 noarch
#>=Pkg: a 1.10~rc1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1.10-1.noarch@available
