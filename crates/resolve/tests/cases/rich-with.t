# One package has to satisfy both.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: (x >= 2 with x < 4)
#>=Pkg: b 1 1 noarch
#>=Prv: x = 1
#>=Pkg: c 1 1 noarch
#>=Prv: x = 5
#>=Pkg: zz 1 1 noarch
#>=Prv: x = 3
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install zz-1-1.noarch@available
