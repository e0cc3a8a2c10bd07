# The ways to write a package.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a-b 1.2 3 x86_64
#>=Pkg: a-b 1.1 1 x86_64
#>=Pkg: c.d 2 1 noarch
#>=Pkg: e 1:5 1 noarch
#>=Pkg: f 1 1 noarch
#>=Pkg: g 1 1 noarch
system x86_64 rpm system
job install text a-b-1.1
job install text c.d
job install text e-1:5
job install text f.noarch
job install text g-1-1.noarch
result transaction,problems <inline>
#>install a-b-1.1-1.x86_64@available
#>install c.d-2-1.noarch@available
#>install e-1:5-1.noarch@available
#>install f-1-1.noarch@available
#>install g-1-1.noarch@available
