# What supplements a package is taken from the better repository.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Pkg: b 2 1 noarch
#>=Sup: a
repo better 5 testtags <inline>
#>=Pkg: b 1 1 noarch
#>=Sup: a
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@better
