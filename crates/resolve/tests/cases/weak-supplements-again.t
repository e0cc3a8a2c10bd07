# What supplements the base is added if something new provides the same.
repo system 0 testtags <inline>
#>=Pkg: base1 1 1 noarch
#>=Prv: x
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Prv: x
#>=Pkg: b 1 1 noarch
#>=Sup: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
