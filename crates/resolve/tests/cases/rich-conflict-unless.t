# A conflict that a third package settles brings that one in.
repo system 0 testtags <inline>
#>=Pkg: b 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Con: (b unless c)
#>=Pkg: c 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install c-1-1.noarch@available
