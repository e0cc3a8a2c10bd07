# Of two providers the one that obsoletes the other is taken.
repo system 0 testtags <inline>
repo available 0 testtags <inline>
#>=Pkg: a 1 1 noarch
#>=Req: x
#>=Pkg: b 1 1 noarch
#>=Prv: x
#>=Pkg: zz 1 1 noarch
#>=Prv: x
#>=Obs: b
system x86_64 rpm system
job install name a
result transaction,problems <inline>
#>install a-1-1.noarch@available
#>install zz-1-1.noarch@available
