# Only the versions that are named are obsoleted.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: new 1 1 noarch
#>=Obs: old < 5
#>=Pkg: old 5 1 noarch
system x86_64 rpm system
job install name new
job install name old
result transaction,problems <inline>
#>install new-1-1.noarch@available
#>install old-5-1.noarch@available
