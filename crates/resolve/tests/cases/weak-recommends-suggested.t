# Among several that are recommended the one that is suggested comes first.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Rec: x
#>=Sug: c
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: c 1 1 noarch
#>=Prv: x
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
