# What supplements an added package is added.
repo system 0 testtags <inline>
#>=Pkg: base1 1 1 noarch
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Pkg: b 1 1 noarch
#>=Sup: a
#>=Pkg: c 1 1 noarch
#>=Sup: base1
#>=Pkg: d 1 1 noarch
#>=Sup: (a and base1)
#>=Pkg: e 1 1 noarch
#>=Enh: a
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install b-1-1.noarch@available
#>install d-1-1.noarch@available
