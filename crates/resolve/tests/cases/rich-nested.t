# Operators within one another.
repo system 0 testtags <inline>
#>=Pkg: base1 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: ((b and c) or (d if base1))
#>=Con: b
#>=Pkg: b 1 1 noarch
#>=Pkg: c 1 1 noarch
#>=Pkg: d 1 1 noarch
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install d-1-1.noarch@available
